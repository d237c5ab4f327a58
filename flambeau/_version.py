"""The version of flambeau."""

VERSION = "0.1.0"
