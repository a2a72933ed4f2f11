"""What `ab.py` compares two builds of fastconv with."""
