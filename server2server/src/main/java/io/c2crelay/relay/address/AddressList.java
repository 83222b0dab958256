package io.c2crelay.relay.address;

import io.netty.handler.ipfilter.IpFilterRuleType;
import io.netty.handler.ipfilter.IpSubnetFilterRule;
import io.netty.util.NetUtil;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Networks in CIDR notation (RFC 4632). Immutable. */
public final class AddressList {
  /** Contains no networks. */
  public static final AddressList EMPTY = new AddressList("", Collections.emptyList());

  private static final int MAX_NETWORKS = 1000;

  private final String text;
  private final List<IpSubnetFilterRule> networks;

  private AddressList(String text, List<IpSubnetFilterRule> networks) {
    this.text = text;
    this.networks = networks;
  }

  /**
   * Parses {@code 192.0.2.0/24,2001:db8::1}: an address without a prefix length stands for itself.
   *
   * @param name the option, for messages
   * @throws IllegalArgumentException if the text is not such a list; the message does not repeat it
   */
  public static AddressList parse(String name, String text) {
    List<IpSubnetFilterRule> networks = new ArrayList<>();
    for (String network : text.split(",", -1)) {
      networks.add(parseNetwork(name, network.trim()));
    }
    if (networks.size() > MAX_NETWORKS) {
      throw new IllegalArgumentException(name + " has more than " + MAX_NETWORKS + " networks");
    }
    return new AddressList(text, networks);
  }

  private static IpSubnetFilterRule parseNetwork(String name, String text) {
    String[] parts = text.split("/", 2);
    byte[] address = NetUtil.createByteArrayFromIpAddressString(parts[0]);
    if (address == null) {
      throw invalid(name);
    }
    try {
      InetAddress network = InetAddress.getByAddress(address); // IPv4 if it is IPv4-mapped
      int prefixLength =
          parts.length < 2 ? 8 * network.getAddress().length : Integer.parseInt(parts[1]);
      return new IpSubnetFilterRule(network, prefixLength, IpFilterRuleType.ACCEPT);
    } catch (UnknownHostException | IllegalArgumentException e) {
      throw invalid(name);
    }
  }

  private static IllegalArgumentException invalid(String name) {
    return new IllegalArgumentException(
        name + " needs addresses or networks, such as 192.0.2.0/24,2001:db8::/32");
  }

  /** Whether the other list was parsed from the same text. */
  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof AddressList && ((AddressList) other).text.equals(text);
  }

  @Override
  public int hashCode() {
    return text.hashCode();
  }

  public boolean isEmpty() {
    return networks.isEmpty();
  }

  /** Whether a resolved address is in one of the networks. */
  public boolean contains(InetSocketAddress address) {
    return networks.stream().anyMatch(network -> network.matches(address));
  }
}
