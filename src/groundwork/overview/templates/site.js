// Everything is there without this: it opens what a link leads into, shows a figure on each page that speaks of it, and
// filters long tables by verdict.
"use strict";

const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let box = target; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  if (target && target.closest("details")) target.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();

for (const link of document.querySelectorAll("a.again")) {
  const figure = document.querySelector(link.hash);
  if (!figure) continue;
  const again = figure.cloneNode();
  again.removeAttribute("id");
  link.replaceChildren(again);
}

const MANY = 20;
for (const article of document.querySelectorAll("article")) {
  const cells = [...article.querySelectorAll("td.verdict")];
  if (cells.length < MANY) continue;
  const tables = [...article.querySelectorAll(".wide")].filter(box => box.querySelector("td.verdict"));
  const show = verdict => {
    for (const cell of cells) cell.parentElement.hidden = verdict !== "all" && !cell.classList.contains(verdict);
    for (const box of tables) {
      box.hidden = !box.querySelector("tbody tr:not([hidden])");
      if (/^H\d$/.test(box.previousElementSibling?.tagName)) box.previousElementSibling.hidden = box.hidden;
    }
  };
  const filter = document.createElement("fieldset");
  filter.className = "filter";
  filter.append(Object.assign(document.createElement("legend"), {textContent: "Show"}));
  for (const verdict of ["all", ...new Set(cells.map(cell => cell.classList.item(2)))]) {
    const count = cells.filter(cell => verdict === "all" || cell.classList.contains(verdict)).length;
    const choice = Object.assign(document.createElement("input"), {type: "radio", name: `filter-${article.id}`});
    choice.checked = verdict === "all";
    choice.addEventListener("change", () => show(verdict));
    const label = document.createElement("label");
    label.append(choice, ` ${verdict} (${count})`);
    filter.append(label);
  }
  let place = tables[0];
  while (/^H\d$/.test(place.previousElementSibling?.tagName)) place = place.previousElementSibling;
  place.before(filter);
}

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const box of closed) box.open = true;
});
addEventListener("afterprint", () => { for (const box of closed) box.open = false; });
