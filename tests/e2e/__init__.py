"""Eve whole: real processes, real libvirtd and QEMU, real Chromium."""
