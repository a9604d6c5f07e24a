// Extras only: without this script the page says the same. Columns sort, limits narrow the choice, paper shows what was folded.
"use strict";
(() => {
  const number = (cell) => (cell && cell.dataset.value !== undefined ? parseFloat(cell.dataset.value) : NaN);
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sign = down ? -1 : 1;
        [...body.rows]
          .map((row, place) => ({ row, place, value: number(row.cells[column]), text: row.cells[column].textContent.trim() }))
          .sort((a, b) => {
            if (column === 0) return sign * a.text.localeCompare(b.text);
            if (isNaN(a.value) || isNaN(b.value)) return isNaN(a.value) - isNaN(b.value) || a.place - b.place;
            return sign * (a.value - b.value) || a.place - b.place;
          })
          .forEach(({ row }) => body.append(row));
      });
    });
  }
  for (const form of document.querySelectorAll("form.limits")) {
    form.hidden = false;
    const rows = [...document.querySelectorAll(`#${form.dataset.table} tbody tr`)];
    const answer = form.querySelector("output");
    const narrow = () => {
      const most = (name) => parseFloat(form.elements[name].value);
      const fits = (row, name) => isNaN(most(name)) || parseFloat(row.dataset[name]) <= most(name);
      const left = rows.filter((row) => fits(row, "ms") && fits(row, "mb"));
      rows.forEach((row) => row.classList.toggle("out", !left.includes(row)));
      answer.textContent = left.length ? `${left.length} of ${rows.length} fit; best: ${left[0].dataset.name}` : "nothing fits";
    };
    form.addEventListener("input", narrow);
    form.addEventListener("submit", (event) => event.preventDefault());
    narrow();
  }
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((part) => (part.open = true));
  });
  addEventListener("afterprint", () => folded.forEach((part) => (part.open = false)));
})();
