"""Serve resizekit over HTTP: `pip install fastapi uvicorn`, then `uvicorn serve:app`.

curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' localhost:8000/down > small.png
curl --data-binary @small.png -H 'Content-Type: image/png' localhost:8000/up > restored.png
"""

from io import BytesIO
from typing import Annotated

from fastapi import Body, FastAPI, Request, Response

import resizekit

codec = resizekit.load("sr-x2-fast")  # loaded once, and shared by all threads
app = FastAPI()


@app.exception_handler(resizekit.ResizeKitError)
def refuse(request: Request, error: resizekit.ResizeKitError) -> Response:
    """Return the message of an error, which is one line."""
    return Response(str(error), status_code=422, media_type="text/plain")


@app.post("/down")
def down(data: Annotated[bytes, Body(media_type="image/*")]) -> Response:
    """Return the small file of a picture. FastAPI runs functions without `async` in a pool of threads."""
    return Response(resizekit.down_bytes(data, weights=codec), media_type="image/png")


@app.post("/up")
def up(data: Annotated[bytes, Body(media_type="image/*")]) -> Response:
    """Return the picture of a small file, with the weights that its manifest names."""
    restored = BytesIO()
    resizekit.up_bytes(data).save(restored, "PNG")
    return Response(restored.getvalue(), media_type="image/png")
