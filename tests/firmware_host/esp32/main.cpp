/*
 * Lets hub_esp32.ino live: arguments are MISSING (a sensor that is not there, or -1) and SECONDS; each
 * line of the standard input is a time in µs after power-up and the bytes that the host says then,
 * in hex. All that the hub said goes to the standard output; edges of its lines to the error output.
 */
#include "Arduino.h"

#include "hub_esp32.ino"

#include <cstdlib>
#include <iostream>
#include <string>

int main(int, char **arguments) {
    board::missing = std::atoi(arguments[1]);
    const uint64_t begin_us = board::now_us;
    const uint64_t end_us = begin_us + (uint64_t)(1e6 * std::atof(arguments[2]));
    std::deque<std::pair<uint64_t, std::string>> script;
    uint64_t at_us;
    std::string hex;
    while (std::cin >> at_us >> hex)
        script.emplace_back(begin_us + at_us, hex);
    setup();
    while (board::now_us < end_us) {
        for (; !script.empty() && script.front().first <= board::now_us; script.pop_front()) {
            const std::string &words = script.front().second;
            for (size_t at = 0; at + 1 < words.size(); at += 2)
                board::heard.push_back((uint8_t)std::stoi(words.substr(at, 2), nullptr, 16));
        }
        loop();
        board::now_us += 50;
    }
    std::fwrite(board::said.data(), 1, board::said.size(), stdout);
    for (uint64_t edge : board::sync_edges)
        std::fprintf(stderr, "sync %u\n", (uint32_t)edge);
    for (uint64_t edge : board::lamp_edges)
        std::fprintf(stderr, "lamp %u\n", (uint32_t)edge);
    return 0;
}
