"""Which pictures are alike: five metrics, exact search, how good a retrieval is, how far two rankings agree."""
