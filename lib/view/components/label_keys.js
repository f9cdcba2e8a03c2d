// The keys of a label review: what each does, and which class a text or a digit in the chooser means.

export const KEYS = [
  ["k", "keep", "Keep"],
  ["Enter", "suggest", "Take"],
  ["r", "choose", "Other class …"],
  ["x", "exclude", "Exclude"],
  ["s", "skip", "Skip"],
  ["z", "undo", "Undo"],
];

// The action of a key; null for any other key. Letters count in either case.
export function actionOf(key) {
  const found = KEYS.find(([own]) => own === key || own === key.toLowerCase());
  return found ? found[1] : null;
}

// Classes in the order of the chooser: the suggested one first, then as they come, without the photo's own.
export function choices(classes, label, suggested) {
  const others = classes.filter((name) => name !== label && name !== suggested);
  return suggested === label ? others : [suggested, ...others];
}

// The choices that a text leaves: those that begin with it, then those that contain it; a number means a place.
export function matching(names, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return names;
  if (/^[1-9][0-9]*$/.test(wanted) && !names.some((name) => name.toLowerCase().includes(wanted))) {
    const place = Number(wanted) - 1;
    return place < names.length ? [names[place]] : [];
  }
  const holding = names.filter((name) => name.toLowerCase().includes(wanted));
  const leading = holding.filter((name) => name.toLowerCase().startsWith(wanted));
  return [...leading, ...holding.filter((name) => !leading.includes(name))];
}
