// The photos of the points in view, once they are few enough, and the density image below the points.

import { element } from "../dom.js";

const HALF = 24; // px, half of a photo's side in scatter.css

export function showPhotos(layer, photos) {
  layer.replaceChildren(
    ...photos.map((photo) => {
      const image = element("img");
      Object.assign(image, { src: photo.src, alt: photo.alt });
      Object.assign(image.dataset, { x: photo.x, y: photo.y });
      image.style.borderColor = photo.colour;
      image.style.opacity = photo.opacity;
      return image;
    }),
  );
}

export function placePhotos(layer, screen) {
  for (const image of layer.children) {
    const [left, top] = screen(Number(image.dataset.x), Number(image.dataset.y));
    image.style.transform = `translate(${left - HALF}px, ${top - HALF}px)`;
  }
}

export function placeDensity(image, density, screen) {
  image.hidden = !density;
  if (!density) return;
  const [left, top] = screen(density.left, density.top);
  const [right, bottom] = screen(density.right, density.bottom);
  Object.assign(image.style, {
    left: `${left}px`,
    top: `${top}px`,
    width: `${right - left}px`,
    height: `${bottom - top}px`,
  });
}
