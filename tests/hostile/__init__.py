"""Input that was made to hurt: targets that any bytes may be thrown at, by hypothesis and by a fuzzer."""
