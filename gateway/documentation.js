// Finds operations by the words of their names and addresses. Without it the page is whole, only longer to look through.
"use strict";

const field = document.getElementById("search");
const nothing = document.getElementById("nothing-found");
const groups = [...document.querySelectorAll("nav section")].map((section) => ({
  section,
  entries: [...section.querySelectorAll("li")].map((item) => ({
    item,
    article: document.getElementById(item.querySelector("a").hash.slice(1)),
    text: `${item.textContent} ${item.dataset.words}`.toLowerCase(),
  })),
}));

function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { section, entries } of groups) {
    let foundHere = 0;
    for (const { item, article, text } of entries) {
      const wanted = words.every((word) => text.includes(word));
      item.hidden = article.hidden = !wanted;
      foundHere += wanted;
    }
    section.hidden = foundHere === 0;
    found += foundHere;
  }
  nothing.hidden = found > 0;
}

function showTarget() {
  // Whoever follows a link to what the search hides wants to see it; and the menu has done what it was opened for.
  document.getElementById("menu").checked = false;
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.hidden) {
    field.value = "";
    search();
    target.scrollIntoView();
  }
}

field.closest("p").hidden = false;
field.addEventListener("input", search);
addEventListener("hashchange", showTarget);
addEventListener("keydown", (event) => {
  if (event.key === "/" && !(event.target instanceof HTMLInputElement)) {
    event.preventDefault();
    document.getElementById("menu").checked = true;
    field.focus();
  }
});
search();
