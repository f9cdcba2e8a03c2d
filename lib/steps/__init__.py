"""The steps of `prepare`, in the order in which they run: photos, vectors, stored."""
