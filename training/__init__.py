"""The paper's method: data, model, losses, export. The only room that needs torch."""
