"""The weights that come with `sr` and what they reach, in dB; the model cards in weights/ say how that was measured."""

from importlib.resources import files

from resizekit import Weights

_HERE = files("resizekit_sr") / "weights"

SHIPPED = {
    "sr-x2": Weights(
        file=_HERE / "sr-x2.safetensors",
        digest="b614cf79dc5cbce8a614245184ec23739130ba9a170310eb2e176291b0aabd86",
        summary="colour pictures, half as high and wide",
        metrics={
            "Set5 high RGB": 38.88,
            "Set5 high Y": 42.43,
            "Set5 low RGB": 41.5,
            "Set5 low Y": 47.46,
            "Set14 high RGB": 35.42,
            "Set14 high Y": 39.31,
            "Set14 low RGB": 38.81,
            "Set14 low Y": 45.56,
            "B100 high RGB": 37.42,
            "B100 high Y": 39.26,
            "B100 low RGB": 39.51,
            "B100 low Y": 45.74,
            "Urban100 high RGB": 34.77,
            "Urban100 high Y": 37.83,
            "Urban100 low RGB": 37.37,
            "Urban100 low Y": 44.08,
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
