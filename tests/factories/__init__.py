"""Things that tests are about, as small as the rules allow."""
