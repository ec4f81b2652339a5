"""Images of a class: from a folder, from a data set, or made from the model itself."""
