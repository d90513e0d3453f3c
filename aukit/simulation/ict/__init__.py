"""A second face basis, made from ICT-FaceKit."""
