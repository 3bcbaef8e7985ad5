"""Results for one picture: roundtrips, pyramids of factors, side-by-side sheets, and exported pairs."""
