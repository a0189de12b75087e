"""What Raspberry Pi OS adds to Debian: NetworkManager's nmcli, vcgencmd, iw."""
