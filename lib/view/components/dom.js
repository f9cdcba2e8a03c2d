// A new element. Text is set as text, never as HTML: names come from file systems.
export function element(name, className = "", text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
}

// A mark for "same class as the query" or "another class"; screen readers hear the words.
export function verdict(isRight, className, text) {
  const mark = element("span", className, text);
  mark.setAttribute("aria-label", isRight ? "same class as the query" : "another class than the query");
  return mark;
}
