"""How good a model is: on clips, on streams, on footage in which nothing happens."""
