"""For plugin authors and our own tests: conformance suites, and fakes that keep their world on disk."""
