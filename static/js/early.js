// Runs before the first paint: what depends on script may show itself.
document.documentElement.dataset.script = "";
