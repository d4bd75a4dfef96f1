"""What the API says about itself: a description beside each route, and the document of all."""
