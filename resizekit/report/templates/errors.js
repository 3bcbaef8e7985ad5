// Error maps: the largest difference of a pixel's channels between two pictures of one size, amplified; black is exact.
async function errorMap(picture, original, times) {
  await Promise.all([picture.decode(), original.decode()]);
  const [width, height] = [original.naturalWidth, original.naturalHeight];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const codes = (image) => {
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, width, height);
  };
  const [made, truth] = [codes(picture), codes(original)];
  for (let i = 0; i < made.data.length; i += 4) {
    let most = 0;
    for (let c = i; c < i + 3; c++) most = Math.max(most, Math.abs(made.data[c] - truth.data[c]));
    made.data.fill(most * times, i, i + 3);
    made.data[i + 3] = 255;
  }
  context.putImageData(made, 0, 0);
  return canvas.toDataURL();
}
