# describe: of paths on stdin, a line each, prints "MODE SIZE TIME PATH" of those that exist: the
# mode in hex, with the kind, and the time of the last change of the content.
if stat -c %f / >/dev/null 2>&1; then # GNU, busybox
  describe() { tr '\n' '\000' | xargs -0 stat -c '%f %s %Y %n' -- 2>/dev/null; }
else # BSD, which prints the mode in octal
  describe() {
    tr '\n' '\000' | xargs -0 stat -f '0%p %z %m %N' -- 2>/dev/null
  }
fi
