package io.c2crelay.common.logging;

import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.IThrowableProxy;
import ch.qos.logback.classic.spi.ThrowableProxyUtil;
import ch.qos.logback.core.LayoutBase;
import com.grack.nanojson.JsonWriter;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Formats an event as a JSON object in one line: {@code time}, {@code level}, {@code event} and a
 * member for each {@code key=value} pair; integer values become numbers. Any other message, such as
 * a library's, becomes the member {@code message}.
 */
final class JsonLayout extends LayoutBase<ILoggingEvent> {
  private static final Pattern EVENT = Pattern.compile("[a-z]+(\\.[a-z_]+)*(?= |$)");

  /** A value is bare, or in quotes with the escapes of {@link LogText}. */
  private static final Pattern PAIR =
      Pattern.compile(" ([a-z_]+)=(?:\"((?:[^\"\\\\]++|\\\\.)*+)\"|([^ \"]*))");

  private static final Pattern ESCAPED = Pattern.compile("\\\\([\\\\\"])");

  private static final Pattern NUMBER = Pattern.compile("0|-?[1-9][0-9]{0,17}");

  @Override
  public String doLayout(ILoggingEvent event) {
    Map<String, Object> members = new LinkedHashMap<>();
    members.put("time", Instant.ofEpochMilli(event.getTimeStamp()).toString());
    members.put("level", event.getLevel().toString());
    if (!addPairs(members, event.getFormattedMessage())) {
      members.put("logger", event.getLoggerName());
      members.put("message", event.getFormattedMessage());
    }
    IThrowableProxy thrown = event.getThrowableProxy();
    if (thrown != null) {
      members.put("exception", ThrowableProxyUtil.asString(thrown));
    }
    return JsonWriter.string(members) + '\n';
  }

  private static boolean addPairs(Map<String, Object> members, String message) {
    Matcher event = EVENT.matcher(message);
    if (!event.lookingAt()) {
      return false;
    }
    Map<String, Object> pairs = new LinkedHashMap<>();
    Matcher pair = PAIR.matcher(message);
    int end = event.end();
    while (end < message.length()) {
      if (!pair.find(end) || pair.start() != end) {
        return false;
      }
      String quoted = pair.group(2);
      pairs.put(pair.group(1), quoted == null ? bare(pair.group(3)) : unescape(quoted));
      end = pair.end();
    }
    members.put("event", event.group());
    members.putAll(pairs);
    return true;
  }

  private static Object bare(String value) {
    return NUMBER.matcher(value).matches() ? (Object) Long.valueOf(value) : value;
  }

  /** Control characters stay escaped, as in text. */
  private static String unescape(String quoted) {
    return ESCAPED.matcher(quoted).replaceAll("$1");
  }
}
