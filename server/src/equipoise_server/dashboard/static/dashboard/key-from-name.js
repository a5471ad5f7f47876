// <key-from-name>: suggests a key while the name is typed, until somebody edits the key.
customElements.define("key-from-name", class extends HTMLElement {
  connectedCallback() {
    const name = this.querySelector("[name=name]");
    const key = this.querySelector("[name=key]");
    if (!name || !key) return;
    let untouched = key.value === "";
    key.addEventListener("input", () => { untouched = key.value === ""; });
    name.addEventListener("input", () => {
      if (untouched) key.value = name.value.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64);
    });
  }
});
