"""Object detectors built on any registered backbone, from small parts that know no network."""
