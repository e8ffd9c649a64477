// Sets light or dark and the font before the first paint: a classic script, because modules run too late.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    let chosen = null;
    try {
      chosen = localStorage.getItem("eve-theme");
    } catch {
      // Storage may be forbidden; the system's wish holds then.
    }
    root.dataset.bsTheme = chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);

  const { font } = document.currentScript.dataset;
  if (font) {
    const inter = new FontFace("Inter", `url("${font}") format("woff2")`, { weight: "100 900", display: "swap" });
    document.fonts.add(inter);
  }
})();
