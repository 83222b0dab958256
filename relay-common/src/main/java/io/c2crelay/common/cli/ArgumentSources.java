package io.c2crelay.common.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/**
 * Completes a command line from the environment and a configuration file. If {@code --max-sessions}
 * is not given, its value is that of the variable {@code C2C_MAX_SESSIONS}, or else of the key
 * {@code max-sessions} in the file given with {@code --config}. A key {@code service.web = 4001}
 * means {@code --service web=4001}. If no positional arguments are given, they are looked up too,
 * by their labels. {@link KeySource} looks up the key.
 */
final class ArgumentSources {
  private static final String CONFIG = "--config";
  private static final String KEY = "KEY";

  private final CommandSpec spec;
  private final Map<String, String> env;

  /** Values by the name of an option without dashes, or of a positional argument. */
  private final Map<String, List<String>> file = new LinkedHashMap<>();

  private ArgumentSources(CommandSpec spec, Map<String, String> env) {
    this.spec = spec;
    this.env = env;
  }

  /**
   * Returns the arguments of the command line and of the other sources.
   *
   * @throws IllegalArgumentException if a line of the file is invalid; the message names the line
   * @throws StartupException if the file cannot be read
   */
  static String[] complete(CommandSpec spec, Map<String, String> env, String... args)
      throws StartupException {
    return new ArgumentSources(spec, env).complete(args);
  }

  private String[] complete(String... args) throws StartupException {
    Set<String> given = new HashSet<>();
    boolean positional = false;
    String config = variable("config");
    List<String> optional = new ArrayList<>();
    int i = 0;
    for (; i < args.length && !args[i].equals("--"); i++) {
      String[] parts = args[i].split("=", 2);
      // picocli also finds an option by its name without dashes
      OptionSpec option = parts[0].startsWith("-") ? spec.findOption(parts[0]) : null;
      if (option == null) {
        positional = true;
        continue;
      }
      given.add(option.longestName());
      boolean valueFollows = parts.length == 1 && option.arity().max() > 0 && i + 1 < args.length;
      if (option.longestName().equals(CONFIG)) {
        config = valueFollows ? args[i + 1] : parts.length > 1 ? parts[1] : null;
      }
      i += valueFollows ? 1 : 0;
    }
    positional |= i + 1 < args.length;
    if (config != null && !given.contains("--help") && !given.contains("--version")) {
      for (ConfigFile.Entry entry : ConfigFile.read(config)) {
        add(entry);
      }
    }
    if (config != null && !given.contains(CONFIG)) {
      optional.add(CONFIG + "=" + config);
    }
    for (OptionSpec option : spec.options()) {
      if (!given.contains(option.longestName())) {
        optional.addAll(elsewhere(option));
      }
    }
    optional.addAll(Arrays.asList(args));
    if (!positional) {
      optional.addAll(positionalsElsewhere());
    }
    return optional.toArray(new String[0]);
  }

  private void add(ConfigFile.Entry entry) {
    int dot = entry.key.indexOf('.');
    String name = dot < 0 ? entry.key : entry.key.substring(0, dot);
    OptionSpec option = spec.findOption("--" + name);
    boolean known =
        option == null
            ? dot < 0 && isPositional(name)
            : isSettable(option) && (dot < 0 || option.isMultiValue());
    if (!known) {
      throw entry.error("unknown key");
    }
    boolean isRepeatable = option != null && option.isMultiValue();
    List<String> values = file.computeIfAbsent(name, key -> new ArrayList<>());
    if (!values.isEmpty() && !isRepeatable) {
      throw entry.error("this key is there twice");
    }
    values.add(dot < 0 ? entry.value : entry.key.substring(dot + 1) + "=" + entry.value);
  }

  private boolean isPositional(String name) {
    return spec.positionalParameters().stream()
        .anyMatch(parameter -> !parameter.paramLabel().equals(KEY) && name(parameter).equals(name));
  }

  private static String name(PositionalParamSpec parameter) {
    return parameter.paramLabel().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private static boolean isSettable(OptionSpec option) {
    return !option.usageHelp() && !option.versionHelp() && !option.longestName().equals(CONFIG);
  }

  private List<String> elsewhere(OptionSpec option) {
    List<String> arguments = new ArrayList<>();
    if (!isSettable(option)) {
      return arguments;
    }
    String name = option.longestName().substring(2);
    for (String value : values(name, option.isMultiValue())) {
      boolean isFlag = option.arity().max() == 0;
      if (!isFlag) {
        arguments.add(option.longestName() + "=" + value);
      } else if (value.equals("true")) {
        arguments.add(option.longestName());
      } else if (!value.equals("false")) {
        throw new IllegalArgumentException(option.longestName() + " must be true or false");
      }
    }
    return arguments;
  }

  /** The environment's value for an option or argument; null if it is unset or empty. */
  private @Nullable String variable(String name) {
    String value = env.get("C2C_" + name.toUpperCase(Locale.ROOT).replace('-', '_'));
    return value == null || value.isEmpty() ? null : value;
  }

  private List<String> values(String name, boolean isRepeatable) {
    String variable = variable(name);
    if (variable == null) {
      return file.getOrDefault(name, new ArrayList<>());
    }
    return isRepeatable
        ? Arrays.asList(variable.trim().split("\\s+"))
        : new ArrayList<>(Arrays.asList(variable));
  }

  /** Puts the values after {@code --}, so that none is parsed as an option. */
  private List<String> positionalsElsewhere() {
    List<String> arguments = new ArrayList<>();
    String missing = null;
    for (PositionalParamSpec parameter : spec.positionalParameters()) {
      String value = parameter.paramLabel().equals(KEY) ? null : value(name(parameter));
      if (value == null) {
        missing = missing == null ? parameter.paramLabel() : missing;
      } else if (missing != null) {
        throw new IllegalArgumentException(parameter.paramLabel() + " is set, " + missing + " not");
      } else {
        arguments.add(value);
      }
    }
    if (!arguments.isEmpty()) {
      arguments.add(0, "--");
    }
    return arguments;
  }

  private @Nullable String value(String name) {
    List<String> values = values(name, false);
    return values.isEmpty() ? null : values.get(0);
  }
}
