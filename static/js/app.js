// What pages do in the browser. Everything listens on the document, so that pieces
// swapped in by htmx need no wiring; forms and lists work without any of this.
(() => {
  "use strict";

  const YEAR_S = 31536000;
  const COPIED_MS = 1600;

  // ── Theme: remembered in a cookie, so that the server paints it at once ──────────────
  const setTheme = (theme) => {
    const root = document.documentElement;
    if (theme === "system") root.removeAttribute("data-theme");
    else root.dataset.theme = `xero-${theme}`;
    const age = theme === "system" ? 0 : YEAR_S;
    document.cookie = `xero_theme=${theme}; path=/; max-age=${age}; samesite=lax`;
    for (const button of document.querySelectorAll("[data-theme-form] button")) {
      button.setAttribute("aria-pressed", String(button.value === theme));
    }
    document.dispatchEvent(new CustomEvent("xero:theme"));
  };

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-theme-form]")) return;
    event.preventDefault();
    setTheme(event.submitter.value);
  });

  // ── Copy, with a confirmation that is also said aloud ────────────────────────────────
  const say = (text) => {
    const voice = document.getElementById("voice");
    if (voice) voice.textContent = text;
  };

  const textToCopy = (button) => {
    if (button.dataset.copy) return button.dataset.copy;
    const source = document.getElementById(button.dataset.copyFrom);
    return source ? source.textContent.trim() : "";
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    try {
      await navigator.clipboard.writeText(textToCopy(button));
    } catch {
      say("Copying was refused. Select the text and copy it yourself.");
      return;
    }
    button.dataset.copied = "";
    say("Copied");
    document.dispatchEvent(new CustomEvent("xero:copied", { detail: button }));
    setTimeout(() => delete button.dataset.copied, COPIED_MS);
  });

  // ── Rows that are links, by mouse and by arrow keys ──────────────────────────────────
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (!row || event.target.closest("a, button, summary, input, label")) return;
    if (String(window.getSelection())) return;
    window.location.href = row.dataset.href;
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const link = event.target.closest("a[data-row-link]");
    if (!link) return;
    const links = [...link.closest("tbody").querySelectorAll("a[data-row-link]")];
    const next = links[links.indexOf(link) + (event.key === "ArrowDown" ? 1 : -1)];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });

  // ── Menus close when one clicks elsewhere, presses Escape, or opens another ──────────
  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (menu !== except) menu.open = false;
    }
  };

  document.addEventListener("click", (event) => closeMenus(event.target.closest("details[data-menu]")));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest("details[data-menu][open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // ── Links that open a dialog: the page behind the link still works without it ────────
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    const dialog = document.getElementById("dialog");
    await htmx.ajax("GET", link.href, { target: "#dialog-content", swap: "innerHTML" });
    dialog.showModal();
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-dialog-close]")) return;
    const dialog = event.target.closest("dialog");
    if (!dialog) return;
    event.preventDefault();
    dialog.close();
  });

  // ── The language of snippets, chosen once for all of them ────────────────────────────
  const chooseLanguage = (language) => {
    const radios = document.querySelectorAll(`[data-code-language][value="${language}"]`);
    for (const radio of radios) radio.checked = true;
  };

  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-code-language]")) return;
    localStorage.setItem("xero_language", event.target.value);
    chooseLanguage(event.target.value);
  });

  const remembered = localStorage.getItem("xero_language");
  if (remembered && /^[a-z]+$/.test(remembered)) chooseLanguage(remembered);

  // ── A select that filters submits itself ─────────────────────────────────────────────
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });

  // ── Pieces with a little state ───────────────────────────────────────────────────────
  document.addEventListener("alpine:init", () => {
    Alpine.data("secretOnce", () => ({
      stored: false,
      get unstored() {
        return !this.stored;
      },
      init() {
        this.guard = (event) => {
          if (!this.stored) event.preventDefault();
        };
        window.addEventListener("beforeunload", this.guard);
      },
      destroy() {
        window.removeEventListener("beforeunload", this.guard);
      },
    }));

    Alpine.data("confirmByTyping", () => ({
      typed: "",
      init() {
        this.typed = this.$root.querySelector("[name=confirmation]").value;
      },
      get isWrong() {
        return this.typed !== this.$root.dataset.word;
      },
    }));

    Alpine.data("toast", () => ({
      isShown: true,
      init() {
        if (this.$root.dataset.stays === undefined) setTimeout(() => this.close(), 6000);
      },
      close() {
        this.isShown = false;
      },
    }));
  });
})();
