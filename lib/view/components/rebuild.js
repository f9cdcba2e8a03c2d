// Draws photos anew only where they changed, and keeps the focus on its photo: a page that runs again must not take it.

// `draw` returns the children for `handlers`, which trigger events of the component. With `data.opens`, photos open.
export function rebuild(node, data, trigger, draw) {
  node.trigger = trigger; // of the last run
  const drawn = JSON.stringify(data);
  if (node.drawn === drawn) return;
  node.drawn = drawn;
  const handlers = { onPick: (id) => node.trigger("picked", id) };
  if (data.opens) {
    handlers.onOpen = (id, button) => {
      window.petalscopeOpener = button; // the focus returns to it
      node.trigger("opened", id);
    };
  }
  const focused = node.getRootNode().activeElement?.dataset.id;
  const had = node.contains(node.getRootNode().activeElement);
  node.replaceChildren(...draw(handlers));
  const again = had && [...node.querySelectorAll("button")].find((button) => button.dataset.id === focused);
  if (again) again.focus({ preventScroll: true });
}
