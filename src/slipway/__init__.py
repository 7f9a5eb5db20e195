"""The machinery: from a pull request to production. It knows no column name; all of that is in `problem`."""
