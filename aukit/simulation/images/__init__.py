"""Single images: random renders, faces to pre-train on, the contact sheet."""
