"""What one would write to embed a folder of photos: `python -m benchmarks.plain FOLDER WEIGHTS SIDE TARGET.npy`."""

from __future__ import annotations

import sys

import numpy as np
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18
from torchvision.transforms import Compose, Normalize, Resize, ToTensor


def main() -> None:
    """Embed."""
    folder, weights, side, target = sys.argv[1:]
    network = resnet18(weights=None)
    state = load_file(weights) if weights.endswith(".safetensors") else torch.load(weights, weights_only=True)
    network.load_state_dict({name: value for name, value in state.items() if not name.startswith("fc.")}, strict=False)
    network.fc = torch.nn.Identity()
    network.eval()
    normalise = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    photos = ImageFolder(folder, Compose([Resize((int(side), int(side))), ToTensor(), normalise]))
    with torch.no_grad():
        output = [network(batch).numpy() for batch, _ in DataLoader(photos, batch_size=64, num_workers=2)]
    np.save(target, np.concatenate(output))


if __name__ == "__main__":
    main()
