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

  // Over plain http the clipboard is shut to scripts, but what is selected may be copied.
  const copiedBySelection = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "x-copy-area";
    area.setAttribute("aria-hidden", "true");
    const before = document.activeElement;
    (before?.closest("dialog") ?? document.body).append(area);
    area.select();
    let done = false;
    try {
      done = document.execCommand("copy");
    } catch {
      done = false;
    }
    area.remove();
    before?.focus({ preventScroll: true });
    return done;
  };

  const copied = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copiedBySelection(text);
    }
  };

  // What no script may copy, its reader can: selected, with a word on how.
  const handOver = (button) => {
    const words = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "Press ⌘C to copy" : "Press Ctrl-C to copy";
    const source = document.getElementById(button.dataset.copyFrom) ?? button.parentElement.querySelector("code");
    if (source) window.getSelection().selectAllChildren(source);
    button.dataset.hint = words;
    say(words);
    setTimeout(() => delete button.dataset.hint, 4000);
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
    if (!(await copied(textToCopy(button)))) {
      handOver(button);
      return;
    }
    button.dataset.copied = "";
    say("Copied");
    document.dispatchEvent(new CustomEvent("xero:copied", { detail: button }));
    setTimeout(() => delete button.dataset.copied, COPIED_MS);
  });

  // ── What is offered instead of what was typed ────────────────────────────────────────
  document.addEventListener("click", (event) => {
    const offer = event.target.closest("[data-fills]");
    if (!offer) return;
    const field = document.getElementById(offer.dataset.fills);
    field.value = offer.dataset.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  });

  // A field that was refused loses its red frame once it is typed into.
  document.addEventListener("input", (event) => event.target.removeAttribute?.("aria-invalid"));

  // ── Texts to keep: as a file, or on paper ────────────────────────────────────────────
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) window.print();
    const button = event.target.closest("[data-download-from]");
    if (!button) return;
    const text = document.getElementById(button.dataset.downloadFrom).textContent;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = button.dataset.file;
    link.click();
    URL.revokeObjectURL(link.href);
  });

  // ── Passkeys: what went wrong is said under the button ───────────────────────────────
  const PASSKEY_FAULTS = {
    NotAllowedError:
      "Nothing was confirmed: the question was closed or took too long, or this device has no passkey for this site.",
    InvalidStateError: "This device or key is registered already.",
    SecurityError: "Passkeys need https, or localhost. Use your password here.",
    NotSupportedError: "This browser or device can’t make such a passkey.",
  };
  const passkeyButton = () =>
    document.querySelector("#passkey_login, [id^=mfa_webauthn_][type]");

  const sayUnder = (button, words) => {
    document.getElementById("passkey-fault")?.remove();
    const fault = document.createElement("p");
    fault.id = "passkey-fault";
    fault.className = "x-fault mt-2";
    fault.setAttribute("role", "alert");
    fault.textContent = words;
    (button.closest(".x-buttons") ?? button).after(fault);
  };

  document.addEventListener("allauth.error", (event) => {
    const button = passkeyButton();
    if (!button) return;
    event.preventDefault();
    const { exception } = event.detail;
    const words = window.PublicKeyCredential ? PASSKEY_FAULTS[exception.name] : PASSKEY_FAULTS.SecurityError;
    sayUnder(button, words ?? `It did not work: ${exception.message}`);
  });

  const waiting = passkeyButton();
  if (waiting && !window.PublicKeyCredential) sayUnder(waiting, PASSKEY_FAULTS.SecurityError);

  // ── The first request, made with the key that this page shows ────────────────────────
  const said = (answer) =>
    answer.choices?.[0]?.message?.content ??
    (answer.data?.[0]?.embedding ? `${answer.data[0].embedding.length} numbers: ${answer.data[0].embedding.slice(0, 4).join(", ")}, …` : JSON.stringify(answer, null, 2));

  const runFirst = async (box) => {
    const [told, text] = ["[data-told]", "[data-text]"].map((name) => box.querySelector(name));
    const began = performance.now();
    box.querySelector("[data-answer]").hidden = false;
    told.textContent = "Waiting for the answer…";
    text.textContent = "";
    const answer = await fetch(box.dataset.path, {
      method: "POST",
      credentials: "omit",
      headers: {
        Authorization: `Bearer ${document.getElementById(box.dataset.keyFrom).textContent.trim()}`,
        "Content-Type": "application/json",
      },
      body: document.getElementById("first-body").textContent,
    });
    const body = await answer.json();
    const took = ((performance.now() - began) / 1000).toFixed(2);
    const tokens = body.usage ? ` · ${body.usage.total_tokens} tokens` : "";
    told.textContent = `${answer.status} ${answer.ok ? "OK" : body.error?.code ?? ""} · ${took} s${tokens} · ${answer.headers.get("x-xerotier-request-id") ?? ""}`;
    text.textContent = answer.ok ? said(body) : body.error?.message ?? "";
    box.querySelector("[data-then]").hidden = !answer.ok;
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-run]");
    if (!button) return;
    const box = button.closest("[data-first-run]");
    button.disabled = true;
    try {
      await runFirst(box);
    } catch {
      box.querySelector("[data-told]").textContent = "No answer came back. Is the platform still running? Try again.";
    }
    button.disabled = false;
  });

  // ── Moments in the reader's own zone ─────────────────────────────────────────────────
  const DAY = { day: "numeric", month: "short", year: "numeric" };
  const MINUTE = { ...DAY, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const localise = (root) => {
    for (const time of root.querySelectorAll("time[data-local]")) {
      const kind = time.dataset.local;
      const words = new Intl.DateTimeFormat("en-GB", kind === "day" ? DAY : MINUTE);
      time.textContent = words.format(new Date(time.dateTime));
      delete time.dataset.local;
    }
  };
  localise(document);
  document.addEventListener("htmx:afterSwap", (event) => localise(event.target.parentElement ?? document));

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
  // A page that hands over a key opens with what holds it.
  const opens = document.querySelector("[data-keeps-language]");
  if (!opens && remembered && /^[a-z]+$/.test(remembered)) chooseLanguage(remembered);

  // ── A form that was kept while its writer proved who they are goes on by itself ───────
  document.querySelector("form[data-goes-on]")?.requestSubmit();

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
