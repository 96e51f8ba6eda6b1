// Light or dark as Airflow around us is (it keeps its choice under "theme"), else as the system is.

const dark = matchMedia("(prefers-color-scheme: dark)");

function chosen() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // storage may be forbidden
  }
}

function apply() {
  const theme = ["light", "dark"].includes(chosen()) ? chosen() : dark.matches ? "dark" : "light";
  document.documentElement.dataset.theme = theme;
}

export function followTheme() {
  apply();
  addEventListener("storage", apply);
  dark.addEventListener("change", apply);
}
