"""Newsletter sign-ups with double opt-in: nobody is subscribed before the owner of the address has confirmed it."""
