"""What to show: one public function, `recommend`, over arrays that all workers share."""
