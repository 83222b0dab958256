package io.c2crelay.common.cli;

import java.time.Duration;
import picocli.CommandLine.ITypeConverter;

/** Converts an option's duration; {@code off} is zero. */
public final class DurationOrOff implements ITypeConverter<Duration> {
  @Override
  public Duration convert(String text) throws Exception {
    return Arguments.converter(Durations::parseOrOff).convert(text);
  }
}
