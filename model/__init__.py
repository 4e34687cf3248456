"""From IMU windows to blendshapes: features, diffusion, live prediction."""
