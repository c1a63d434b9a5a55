"""STA-TSN in torch, one file for each part that the paper names."""
