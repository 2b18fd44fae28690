"""Code snippets with which a shop's server makes user tokens, in five languages."""

from customers.events.sources.snippets import Snippet, fill_template

KEY_PLACEHOLDER = "YOUR_TOKEN_KEY"

PYTHON = """import hashlib, hmac, time

def create_user_token(user_id, lifetime=3600):
    expires = int(time.time()) + lifetime
    message = f"{expires}.{user_id}".encode()
    return f"{expires}.{hmac.new(b'{key}', message, hashlib.sha256).hexdigest()}"
"""
PHP = """<?php
function create_user_token(string $userId, int $lifetime = 3600): string {
    $expires = time() + $lifetime;
    return $expires . "." . hash_hmac("sha256", "$expires.$userId", "{key}");
}
"""
NODE = """const { createHmac } = require("node:crypto");

function createUserToken(userId, lifetime = 3600) {
  const expires = Math.floor(Date.now() / 1000) + lifetime;
  return `${expires}.${createHmac("sha256", "{key}").update(`${expires}.${userId}`).digest("hex")}`;
}
"""
RUBY = """require "openssl"

def create_user_token(user_id, lifetime = 3600)
  expires = Time.now.to_i + lifetime
  "#{expires}." + OpenSSL::HMAC.hexdigest("SHA256", "{key}", "#{expires}.#{user_id}")
end
"""
GO = """func CreateUserToken(userID string, lifetime time.Duration) string {
	expires := time.Now().Add(lifetime).Unix()
	mac := hmac.New(sha256.New, []byte("{key}"))
	fmt.Fprintf(mac, "%d.%s", expires, userID)
	return fmt.Sprintf("%d.%x", expires, mac.Sum(nil))
}
"""


def build_token_snippets(*, token_key: str = KEY_PLACEHOLDER) -> list[Snippet]:
    """Return the snippets with the token key filled in."""
    templates = (
        ("python", "Python", PYTHON),
        ("php", "PHP", PHP),
        ("node", "Node", NODE),
        ("ruby", "Ruby", RUBY),
        ("go", "Go", GO),
    )
    return [Snippet(language, title, fill_template(code, "", token_key)) for language, title, code in templates]
