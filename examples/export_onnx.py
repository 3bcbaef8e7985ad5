"""Restore a small picture with onnxruntime, without PyTorch: `python export_onnx.py UP.onnx SMALL RESTORED.png`.

`resizekit export sr-x2 up up.onnx` writes the file, and `resizekit down photo.png small.png` a small picture.
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image


def main() -> None:
    """Run the file on one picture."""
    model, small, restored = sys.argv[1:]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    low = np.asarray(Image.open(small).convert("RGB")).transpose(2, 0, 1)[None]  # 1 3 height width, uint8
    (high,) = session.run(["restored"], {"low": low})
    Image.fromarray(high[0].transpose(1, 2, 0)).save(restored)


if __name__ == "__main__":
    main()
