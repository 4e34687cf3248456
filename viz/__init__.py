"""Drawing faces: offscreen and on screen."""
