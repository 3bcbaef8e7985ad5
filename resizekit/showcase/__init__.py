"""One picture shown: roundtrips, pyramids of factors, side-by-side sheets, and exported pairs."""
