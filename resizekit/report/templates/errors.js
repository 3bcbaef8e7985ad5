// Error map: the largest difference between the channels of two pictures of the same size, amplified. Black means equal.
async function errorMap(picture, original, factor) {
  await Promise.all([picture.decode(), original.decode()]);
  const [width, height] = [original.naturalWidth, original.naturalHeight];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pixels = (image) => {
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, width, height);
  };
  const [map, target] = [pixels(picture), pixels(original)];
  for (let i = 0; i < map.data.length; i += 4) {
    let largest = 0;
    for (let c = i; c < i + 3; c++) largest = Math.max(largest, Math.abs(map.data[c] - target.data[c]));
    map.data.fill(largest * factor, i, i + 3);
    map.data[i + 3] = 255;
  }
  context.putImageData(map, 0, 0);
  return canvas.toDataURL();
}
