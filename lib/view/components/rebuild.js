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
  const { id, mark } = node.getRootNode().activeElement?.dataset ?? {};
  const had = node.contains(node.getRootNode().activeElement);
  node.replaceChildren(...draw(handlers));
  if (!had) return;
  const controls = [...node.querySelectorAll("button, .mark")].filter(({ dataset }) => dataset.mark === mark);
  const again = controls.find(({ dataset }) => dataset.id === id);
  // Else a dialog keeps it: without the focus inside, Escape would not close it.
  (again ?? node.getRootNode().host?.closest('[role="dialog"]'))?.focus({ preventScroll: true });
}
