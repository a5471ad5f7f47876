// <chart-hover>: shows the words that the server wrote on each mark. Knows no numbers.
customElements.define("chart-hover", class extends HTMLElement {
  connectedCallback() {
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.tip.setAttribute("aria-hidden", "true");
    this.append(this.tip);
    this.addEventListener("pointermove", (event) => this.follow(event));
    this.addEventListener("pointerdown", (event) => this.follow(event));
    this.addEventListener("pointerleave", () => { this.tip.hidden = true; });
  }

  follow(event) {
    const mark = event.target.closest("[data-tip]");
    this.tip.hidden = !mark;
    if (!mark) return;
    if (!this.tip.isConnected) this.append(this.tip);  // a refreshed card comes without it
    this.tip.textContent = mark.dataset.tip;
    const box = this.getBoundingClientRect();
    const size = this.tip.getBoundingClientRect();
    const x = event.clientX - box.left;
    const beside = x + 14 + size.width > box.width ? x - size.width - 14 : x + 14;
    this.tip.style.left = `${Math.max(0, beside)}px`;
    this.tip.style.top = `${event.clientY - box.top - size.height - 12}px`;
  }
});
