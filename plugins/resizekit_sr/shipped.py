"""The weights that come with `sr` and what they reach, in dB; the model cards in weights/ say how that was measured."""

from importlib.resources import files

from resizekit import Weights

_HERE = files("resizekit_sr") / "weights"

SHIPPED = {
    "sr-x2": Weights(
        file=_HERE / "sr-x2.safetensors",
        digest="e34575425727ed151702b024446ef414ab31d04e73f54f282fc9734ecb3ce8b6",
        summary="colour pictures, half as high and wide",
        metrics={
            "Set5 high RGB": 39.14,
            "Set5 high Y": 42.77,
            "Set5 low RGB": 41.51,
            "Set5 low Y": 47.51,
            "Set14 high RGB": 35.68,
            "Set14 high Y": 39.66,
            "Set14 low RGB": 38.88,
            "Set14 low Y": 45.73,
            "B100 high RGB": 37.79,
            "B100 high Y": 39.64,
            "B100 low RGB": 39.56,
            "B100 low Y": 45.92,
            "Urban100 high RGB": 35.16,
            "Urban100 high Y": 38.31,
            "Urban100 low RGB": 37.52,
            "Urban100 low Y": 44.31,
        },
    ),
    "sr-x2-y": Weights(
        file=_HERE / "sr-x2-y.safetensors",
        digest="3d7e6fc1c67afda7cb1a81b43b6ed1adb6cbad151302fba97dbe93a49b3c84cd",
        summary="grey pictures, half as high and wide",
        metrics={
            "Set5 high Y": 37.55,
            "Set5 low Y": 48.43,
            "Set14 high Y": 33.53,
            "Set14 low Y": 45.41,
            "B100 high Y": 32.39,
            "B100 low Y": 44.49,
            "Urban100 high Y": 31.16,
            "Urban100 low Y": 43.05,
        },
    ),
}
